"""What every sink does with joint views: order, open, hand over, confirm. No kind itself."""
