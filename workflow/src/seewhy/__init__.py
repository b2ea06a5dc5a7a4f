"""See why a video network said what it said."""

from seewhy.own_source import refuse_other_checkouts

refuse_other_checkouts()
