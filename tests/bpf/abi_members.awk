# SPDX-License-Identifier: BSD-2-Clause
# The structs of bpf/abi/ and their members as macro calls, so that no list of
# them has to be kept by hand: STRUCT(name), MEMBER(struct, name)..., END(name).

/^struct [a-z0-9_]+ \{$/ {
	name = $2
	print "STRUCT(" name ")"
	next
}

# inside a comment of several lines
/^[ \t]+\* / {
	next
}

name != "" && /^\};/ {
	print "END(" name ")"
	name = ""
	next
}

name != "" {
	sub(/\/\*.*/, "")
	if (match($0, /[a-z0-9_]+(\[[A-Za-z0-9_]+\])?;/)) {
		member = substr($0, RSTART, RLENGTH)
		sub(/[\[;].*/, "", member)
		print "\tMEMBER(" name ", " member ")"
	}
}
