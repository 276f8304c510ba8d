"""What each network is."""
