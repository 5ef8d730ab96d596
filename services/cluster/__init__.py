"""What an installed release has on its cluster: made what it declares, and told how it is."""
