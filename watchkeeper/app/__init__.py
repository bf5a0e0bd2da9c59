"""Settings, wiring, lifespan: the only package that knows everyone; it hands services to the faces."""
