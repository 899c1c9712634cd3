-- One account, with the password that its secret holds now.
\set password `cat "$PASSWORD_FILE"`
SELECT format('CREATE ROLE %I', :'account')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'account') \gexec
ALTER ROLE :"account" WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
