"""The joint case: the newest version of every admitted record, sealed as it came, found by case.

The hub's own views, erasures and retention read its rows directly (`queries`, `tables`): it is what they are about.
"""

from projections.joint_case.model import JointCase

projection = JointCase()
