"""Objects as clients of today see them: a tree of them, and the devices among them."""
