"""The services of one home under supervision: Redis, Label Studio, the ML backend, two workers and beat.

`control` starts, stops and looks at them, `readiness` asks them whether they work, `secrets` draws their
secrets.
"""
