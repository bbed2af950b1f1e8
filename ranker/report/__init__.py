"""What all HTML reports share: drawing, style, the page."""
