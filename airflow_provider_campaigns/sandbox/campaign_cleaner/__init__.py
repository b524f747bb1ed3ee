"""The API of Campaign Cleaner."""
