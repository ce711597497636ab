"""What is measured of a cluster: samples, their names and units, and what they are made from."""
