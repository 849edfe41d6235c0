"""What a test works with: the backend under test, its registers, the watchdog, leak detection, proxies, processes."""
