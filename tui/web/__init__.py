"""The control centre in a browser, on this machine alone; needs the extra [web]."""
