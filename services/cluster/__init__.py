"""What an installed release has on its cluster: what it declares is made, and its state reported."""
