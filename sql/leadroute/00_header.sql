/* leadroute: install script, joined from sql/leadroute/ by the Makefile. */
\echo Use "CREATE EXTENSION leadroute CASCADE" to load this file. \quit

