"""Commands on character devices, and the options that say what one is."""
