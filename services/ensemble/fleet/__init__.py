"""A fleet of models under load, simulated: what is asked, the front door, the pods behind it, and the room for them."""
