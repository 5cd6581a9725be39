"""`hub explain`: the whole story of an event, in German or English."""
