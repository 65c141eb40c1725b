#!/bin/sh
# ssh-sides.sh MASTER CLIENT > ssh - write a wrapper that runs the program
# MASTER for command lines that make a connection-sharing master, and CLIENT
# for all others: to test either end of the control-socket protocol alone.
set -eu
[ $# = 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
cat <<EOF
#!/bin/sh
for arg; do
	case \$arg in
	-O*) exec $2 "\$@" ;;
	esac
done
for arg; do
	case \$arg in
	-M*|-[NnfTqv2]*M*|-[Oo]*ontrol[Mm]aster=[yY]es|*ontrol[Pp]ersist=*) exec $1 "\$@" ;;
	esac
done
exec $2 "\$@"
EOF
