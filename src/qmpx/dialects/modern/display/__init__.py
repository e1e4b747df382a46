"""Commands on screens, keyboards, mice and who looks at them."""
