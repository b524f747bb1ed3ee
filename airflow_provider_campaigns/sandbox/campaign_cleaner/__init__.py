"""Campaign Cleaner, as far as its API shows it."""
