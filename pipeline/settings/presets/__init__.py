"""The named presets: one YAML file each, holding what differs from the settings' defaults."""
