"""Finding families for joint work, in the agency's own data, locally: who meets a target group that people agreed on.

It ranks nobody and scores nobody (Art. 22 GDPR); nationality or origin never selects; nothing leaves the house.
"""
