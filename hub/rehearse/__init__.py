"""`hub rehearse`: a family's story, played through the running parts under a clock that the story sets.

story.py  what a file tells: agencies, persons, families, steps
parse.py  from JSON to a story; an impossible one is refused as a whole
office.py one agency's own system as a source of its connector, fed by the story's rows
mapping.py the configuration of that connector
scene.py  the hub and its agencies in a folder of their own, or on broker and PostgreSQL
play.py   step after step, each to its end
answer.py what a view shows, in the story's own names, beside what the story expected
models.py its models: who is responsible, agreements, matters, talks, plans, Raster, hints
"""
