"""Consents and withdrawals as each office's system records them. Pure."""

from hub.dev.simulate.changes import Row
from hub.dev.simulate.consents import WORDS, Consent, Withdrawal

JOBCENTER_LANGUAGE = {"de": "DEU", "tr": "TUR", "bg": "BUL"}
YOUTH_LANGUAGE = {"de": "deutsch", "tr": "türkisch", "bg": "bulgarisch"}


def jobcenter_consent(c: Consent) -> Row:
    return {
        "EINW_NR": jobcenter_number(c),
        "KDNR": c.subject.jobcenter_id,
        "BG_NR": c.home.bg_number,
        "UNTERZEICHNER": tuple(str(p.jobcenter_id) for p in c.signers),
        "ABSENDER": c.sender,
        "EMPFAENGER": (c.recipient,),
        "EMPF_MITARBEITER": c.workers,
        "ZWECKE": tuple(WORDS[p].upper() for p in c.purposes),
        "KATEGORIEN": tuple(WORDS[k].upper() for k in c.categories),
        "FORM": {"written": "S", "electronic": "E", "oral": "M"}[c.form],
        "AUSDR_BESONDERE": c.explicit_special,
        "HINW_ZWECK": "purpose" in c.notices,
        "HINW_FOLGEN": "refusal" in c.notices,
        "HINW_WIDERRUF": "withdrawal" in c.notices,
        "TEXTFASSUNG": c.text_version,
        "NACHWEIS": c.proof_hash,
        "ERTEILT_AM": c.granted_at,
        "GUELTIG_BIS": c.valid_until,
        "SPRACHE": JOBCENTER_LANGUAGE[c.subject.origin],
    }


def jobcenter_number(c: Consent) -> str:
    return f"E{c.number:08d}"


def jobcenter_withdrawal(w: Withdrawal) -> Row:
    return {
        "WIDERRUF_NR": f"W{w.consent.number:08d}",
        "EINW_NR": jobcenter_number(w.consent),
        "WIDERRUFEN_AM": w.withdrawn_at,
        "UMFANG": "TEIL" if w.categories else "GESAMT",
        "KATEGORIEN": tuple(WORDS[k].upper() for k in w.categories),
        "ZWECKE": (),
        "EMPFAENGER": (),
        "GRUND": "01",
    }


def youth_consent(c: Consent) -> Row:
    return {
        "einwilligung_nr": youth_number(c),
        "personen_nr": c.subject.youth_office_id,
        "aktenzeichen": c.home.case_number,
        "unterzeichner": tuple(str(p.youth_office_id) for p in c.signers),
        "absender": c.sender,
        "empfaenger": (c.recipient,),
        "empfaenger_fachkraefte": c.workers,
        "zwecke": tuple(WORDS[p] for p in c.purposes),
        "kategorien": tuple(WORDS[k] for k in c.categories),
        "form": WORDS[c.form],
        "ausdruecklich_besondere": c.explicit_special,
        "hinweis_zweck": "purpose" in c.notices,
        "hinweis_folgen": "refusal" in c.notices,
        "hinweis_widerruf": "withdrawal" in c.notices,
        "textfassung": c.text_version,
        "nachweis": c.proof_hash,
        "erteilt_am": c.granted_at,
        "gueltig_bis": c.valid_until,
        "sprache": YOUTH_LANGUAGE[c.subject.origin],
    }


def youth_number(c: Consent) -> str:
    return f"{c.number:010d}"


def youth_withdrawal(w: Withdrawal) -> Row:
    return {
        "widerruf_nr": f"{w.consent.number:010d}",
        "einwilligung_nr": youth_number(w.consent),
        "widerrufen_am": w.withdrawn_at,
        "umfang": "teilweise" if w.categories else "gesamt",
        "kategorien": tuple(WORDS[k] for k in w.categories),
        "zwecke": (),
        "empfaenger": (),
        "grund": "01",
    }
