"""The pretend world behind real interfaces: Prometheus' and Kubernetes' APIs, and the replicas' own pages.

Law: nothing here decides what is true, that is ``simulator.world``; what is served is read from it, what is asked goes
through its own ports. Servers listen on the loopback alone unless told otherwise.
"""
