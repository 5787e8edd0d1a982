"""The server measured: latency beside an echo, the index, throughput beside MLflow's, hot swap, soak, start."""
