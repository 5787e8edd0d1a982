"""The life of a version: registered, promoted, in the shadow, rolled back, retained."""
