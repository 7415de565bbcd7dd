print "A Maintainer <a\@example.org> (maintainer:CHAR and MISC DRIVERS)\n";
