"""What is live in the gateways, and ending it: sessions, their tasks, streams and processes, and a whole server's.

`room` does it in one gateway process and answers on its control socket; `reach` asks every gateway.
"""
