"""What the app tells about its own work: metrics, spans, log rows; without an exporter almost nothing is done."""
