"""A pure, seeded fleet in virtual time that implements every port of ``tools``.

Law: no clock, file, thread or client. The same seed gives the same world, byte for byte. Random draws come from named
streams, so that adding a fault does not change the weather.
"""
