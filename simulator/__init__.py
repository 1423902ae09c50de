"""A pretend fleet, its faults, drills and scorecards; and the lab, where the fleet is small but real.

Law: never imported by production code. The controller under drill is the production controller: same graph, journal,
policies. The truth of a fault is never readable through a port.
"""
