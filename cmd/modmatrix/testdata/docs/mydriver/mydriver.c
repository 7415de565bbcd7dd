int mydriver;
