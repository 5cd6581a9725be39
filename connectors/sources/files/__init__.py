"""What every source of files shares: deliveries, strict reading, what changed since the last one. No kind itself."""
