-- Run once by the PostgreSQL image, on an empty data folder. Our own database is made by the image itself.
CREATE DATABASE label_studio;
