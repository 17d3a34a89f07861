"""Each module and state through Salt's loader, against a real glusterd and the stand-in for oned: `make functional`."""
