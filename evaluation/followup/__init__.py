"""One patient at two dates: lungs registered, infection compared."""
