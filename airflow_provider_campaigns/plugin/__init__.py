"""What this provider adds to Airflow's user interface: the cleaning report and the health board.

The server part sends the same few files to everybody. It opens no path, calls no service and holds no key.
The pages read Airflow's own API in the browser, with the permissions of the user who is signed in.
"""
