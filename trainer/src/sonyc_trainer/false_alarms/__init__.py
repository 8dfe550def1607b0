"""False alarms: what a bundle detects where there is nothing, in made background and in recordings of a site."""
