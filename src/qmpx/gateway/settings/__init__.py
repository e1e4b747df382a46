"""The configuration: what each section may say, and the whole file."""
