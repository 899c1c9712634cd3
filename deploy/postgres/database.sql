-- One database, open to its owner alone.
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'account')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
