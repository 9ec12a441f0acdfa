"""The runtime: servers, backends and the window that runs programs on them."""
