# A program that takes memory until it is killed: it reads a line without end.
printf '#!/bin/sh\nexec tail /dev/zero\n' > /root/work/hungry
chmod 755 /root/work/hungry
