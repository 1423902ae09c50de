"""The pretend world behind real interfaces: Prometheus' and Kubernetes' APIs, a vendor's, and replicas' own pages.

Nothing here decides what is true: that is ``simulator.world``. Production code never imports it.
"""
