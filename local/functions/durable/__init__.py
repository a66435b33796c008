"""Run durable orchestrations by the out-of-process protocol of the Durable Task extension."""
