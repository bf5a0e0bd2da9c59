"""TLS on both sides: what our ports show and ask for, who a client's certificate names, what we show to servers."""
