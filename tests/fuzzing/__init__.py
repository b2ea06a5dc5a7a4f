"""A fuzzer of every kind of file that a user brings.

`kinds` has a valid tiny input of each kind, how the package uses it, and what must hold of whatever
it makes of it; `mutations` breaks a file in a way that disks, editors, spreadsheets and other
programs do; `trial` puts the two together and judges. A new kind is one line in `kinds.KINDS`.
"""
