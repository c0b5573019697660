"""The presets of networks for whole studies: one YAML file each, holding what differs from the settings' defaults."""
