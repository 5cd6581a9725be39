"""The work book: agreements, tasks, talks, referrals, applications and assessments, recorded where they were heard.

    verbs      which verbs there are, with the fields and codes of their objects
    objects    one object as it was sent → typed values, or the code of what is wrong with it
    steps      what was recorded before and bears the same reference: starts, what followed, whether it ended
    entries    a verb and its values → one entry of the book, by the rules of who may say what
    book       the entries in the agency's own SQLite file, each written once
    mapping    how the desk's connector reads them
    sight      what each role of each other agency would see of an entry: the real gate and the record rules
    desk       all of it at one agency's desk

Nothing leaves from here: the ordinary connector pipeline reads the book and decides what may.
"""
