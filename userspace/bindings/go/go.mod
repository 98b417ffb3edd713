module truepeer

go 1.19
